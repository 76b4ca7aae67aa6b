/**
 * pf and ipfw, which Linux does not have: fakes of pfctl and ipfw refuse every command outside the grammar of pfctl(8),
 * pf.conf(5) and ipfw(8), and keep tables as the real programs do.
 */
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { ActionDoor, ServiceKind } from '../../../../../server/firewall/firewall.ts';
import { IpfwTable } from '../../../../../server/firewall/rules/ipfw.ts';
import { PfTable } from '../../../../../server/firewall/rules/pf.ts';
import { RuleFirewall } from '../../../../../server/firewall/rules/rule-firewall.ts';
import type { RunProgram } from '../../../../../server/process/run-program.ts';
import { addressKey } from '../../../../../shared/address.ts';

const MINUTE = 60_000;
const keyOf = (text: string) => addressKey(text) ?? assert.fail();
const [FIRST, SECOND, SIXTH] = ['192.0.2.7', '192.0.2.8', '2001:db8::7'] as const;
const ok = (output = '') => ({ status: 0, output, words: '' });
const failed = (words: string) => ({ status: 1, output: '', words });

function doorOf(kind: ServiceKind, name = 'a', protocol: 'tcp' | 'udp' = 'tcp'): ActionDoor {
  return { name, action: { kind, services: [{ protocol, port: 22 }] } };
}

/** A fake pfctl with the anchor knock-otp. */
class FakePf {
  enabled = true;
  mainRules = [
    'scrub in all fragment reassemble',
    'anchor "knock-otp" all',
    'pass out quick all flags S/SA keep state',
  ];
  rules: string[] = [];
  readonly tables = new Map<string, Set<string>>();
  readonly said: string[] = [];

  readonly run: RunProgram = async (program, args, options) => {
    assert.equal(program, 'pfctl');
    const line = args.join(' ');
    this.said.push(line);
    const anchor = /^-q -a knock-otp (.*)$/.exec(line)?.[1];
    if (line === '-q -s info') return ok(`Status: ${this.enabled ? 'Enabled' : 'Disabled'} for 0 days 00:00:01\n`);
    if (line === '-q -s rules') return ok(`${this.mainRules.join('\n')}\n`);
    if (anchor === '-s rules') return ok(`${this.rules.join('\n')}\n`);
    if (anchor === '-f -') return this.#load(options?.input ?? '');
    if (anchor === '-F rules') this.rules = [];
    else if (anchor === '-F Tables') this.tables.clear();
    else {
      const [, name = '', verb, address = ''] =
        /^-t ((?:tcp|udp)_\d+) -T (add|delete) ([0-9a-f.:]+)$/.exec(anchor ?? '') ?? [];
      const table = this.tables.get(name);
      if (table === undefined) return failed(`pfctl: Table does not exist. (${line})`);
      table[verb === 'add' ? 'add' : 'delete'](address);
    }
    return ok();
  };

  #load(text: string) {
    this.rules = [];
    this.tables.clear();
    for (const line of text.trimEnd().split('\n')) {
      const [, name, members = ''] = /^table <(\w{1,31})> persist \{ ([0-9a-f.:, ]*) \}$/.exec(line) ?? [];
      if (name !== undefined) {
        assert.equal(this.rules.length, 0, 'tables come before rules');
        this.tables.set(name, new Set(members.split(', ').filter((member) => member !== '')));
        continue;
      }
      const [, used] =
        /^block drop in quick on ! lo0 proto (?:tcp|udp) from ! <(\w+)> to \(self\) port = \d+(?: flags S\/SA)?$/.exec(
          line,
        ) ?? assert.fail(`no rule of pf.conf: ${line}`);
      assert(this.tables.has(used ?? ''));
      this.rules.push(line);
    }
    return ok();
  }
}

describe('pf', () => {
  let pf: FakePf;
  let firewall: RuleFirewall;
  beforeEach(async () => {
    pf = new FakePf();
    firewall = new RuleFirewall(new PfTable(pf.run));
    await firewall.prepare([doorOf('pf')], [{ door: 'a', source: keyOf(SECOND), remainingMs: MINUTE }]);
  });

  test('when it is prepared then one load makes the rule and the table with who is in already', () => {
    assert.deepEqual(pf.rules, [
      'block drop in quick on ! lo0 proto tcp from ! <tcp_22> to (self) port = 22 flags S/SA',
    ]);
    assert.deepEqual([...(pf.tables.get('tcp_22') ?? [])], [SECOND]);
    assert.equal(pf.said.filter((line) => line.includes('-f -')).length, 1);
  });

  test('when sources come and go then the table has who is in', async () => {
    await firewall.open(doorOf('pf'), keyOf(FIRST), MINUTE);
    await firewall.open(doorOf('pf'), keyOf(SIXTH), MINUTE);
    await firewall.close(doorOf('pf'), keyOf(SECOND));
    assert.deepEqual([...(pf.tables.get('tcp_22') ?? [])].sort(), [FIRST, SIXTH]);
  });

  test('when a door is of UDP then everything of it is blocked', async () => {
    await firewall.prepare([doorOf('pf', 'u', 'udp')], []);
    assert.deepEqual(pf.rules, ['block drop in quick on ! lo0 proto udp from ! <udp_22> to (self) port = 22']);
  });

  test('when pf is disabled, or does not call the anchor, or passes before it, then that is refused with a hint', async () => {
    assert.equal(await firewall.guardStands(), true);
    for (const damage of [
      () => (pf.enabled = false),
      () => (pf.mainRules = ['pass all flags S/SA keep state']),
      () => (pf.mainRules = ['pass in quick proto tcp all', 'anchor "knock-otp" all']),
    ]) {
      pf.enabled = true;
      pf.mainRules = ['anchor "knock-otp" all'];
      damage();
      assert.equal(await firewall.guardStands(), false);
      await assert.rejects(
        new RuleFirewall(new PfTable(pf.run)).prepare([doorOf('pf')], []),
        (error: Error & { hint?: string }) => /guard/.test(error.message) && error.hint !== undefined,
      );
    }
  });

  test('when somebody flushes the anchor then the guard does not stand, and released nothing is left', async () => {
    pf.rules = [];
    assert.equal(await firewall.guardStands(), false);
    await firewall.release();
    assert.equal(pf.tables.size, 0);
  });
});

/** A fake ipfw: its rules by set, and its tables. */
class FakeIpfw {
  enabled = '1';
  readonly sets = new Map<string, string[]>();
  readonly disabled = new Set<string>();
  readonly tables = new Map<string, Set<string>>();

  readonly run: RunProgram = async (program, args) => {
    const line = args.join(' ');
    if (program === 'sysctl') {
      assert.equal(line, '-n net.inet.ip.fw.enable');
      return ok(`${this.enabled}\n`);
    }
    assert.equal(program, 'ipfw');
    if (line === 'table all info')
      return ok([...this.tables.keys()].map((name) => `--- table(${name}), set(0) ---\n`).join(''));
    const listed = /^set (\d+) list$/.exec(line)?.[1];
    if (listed !== undefined) return ok(`${(this.sets.get(listed) ?? []).join('\n')}\n`);
    const table = /^(-q )?table ([a-z_0-9]{1,63}) (list|create type addr|destroy|(?:add|delete) ([0-9a-f.:]+))$/.exec(
      line,
    );
    if (table !== null) return this.#table(table[2] ?? '', (table[3] ?? '').split(' ')[0] ?? '', table[4] ?? '');
    if (/^-q set disable 28$/.test(line)) this.disabled.add('28');
    else if (/^-q delete set (28|29)$/.test(line)) {
      if (!this.sets.delete(line.slice(-2))) return failed('ipfw: no rules');
    } else if (line === '-q set swap 28 29') {
      const [next, now] = [this.sets.get('28') ?? [], this.sets.get('29')];
      this.sets.set('29', next);
      if (now === undefined) this.sets.delete('28');
      else this.sets.set('28', now);
    } else {
      const [, body = '', name = ''] =
        /^-q add 10 set 28 (deny (?:tcp|udp) from not table\((\w+)\) to me6? \d+ in not recv lo0(?: setup)?)$/.exec(
          line,
        ) ?? assert.fail(`no command of ipfw: ${line}`);
      assert(this.tables.has(name), 'a rule names a table that is there');
      assert(this.disabled.has('28'), 'rules are made in a set that is off');
      this.sets.set('28', [...(this.sets.get('28') ?? []), `00010 ${body}`]);
    }
    return ok();
  };

  #table(name: string, verb: string, address: string) {
    const members = this.tables.get(name);
    if (verb === 'create') {
      assert.equal(members, undefined, 'the table exists');
      this.tables.set(name, new Set());
      return ok();
    }
    if (members === undefined) return failed(`ipfw: table ${name} does not exist`);
    const member = `${address}/${address.includes(':') ? 128 : 32} 0`;
    if (verb === 'list') return ok([...members].map((each) => `${each}\n`).join(''));
    if (verb === 'destroy') this.tables.delete(name);
    else if (verb === 'add') {
      if (members.has(member)) return failed('ipfw: record already exists');
      members.add(member);
    } else if (!members.delete(member)) return failed('ipfw: no such record');
    return ok();
  }
}

describe('ipfw', () => {
  let ipfw: FakeIpfw;
  let firewall: RuleFirewall;
  beforeEach(async () => {
    ipfw = new FakeIpfw();
    firewall = new RuleFirewall(new IpfwTable(ipfw.run));
    await firewall.prepare([doorOf('ipfw')], []);
  });

  test('when it is prepared, again and again, then one set has one rule a family', async () => {
    await firewall.prepare([doorOf('ipfw')], []);
    assert.deepEqual(ipfw.sets.get('29'), [
      '00010 deny tcp from not table(knock_tcp_22) to me 22 in not recv lo0 setup',
      '00010 deny tcp from not table(knock_tcp_22) to me6 22 in not recv lo0 setup',
    ]);
    assert.equal(ipfw.sets.get('28'), undefined);
  });

  test('when sources come, come again and go then the table has each once', async () => {
    for (const source of [FIRST, FIRST, SIXTH, SECOND]) await firewall.open(doorOf('ipfw'), keyOf(source), MINUTE);
    await firewall.close(doorOf('ipfw'), keyOf(SECOND));
    await firewall.close(doorOf('ipfw'), keyOf(SECOND));
    assert.deepEqual([...(ipfw.tables.get('knock_tcp_22') ?? [])], [`${FIRST}/32 0`, `${SIXTH}/128 0`]);
  });

  test('when an earlier run left addresses and a table then they are taken over or away', async () => {
    await firewall.open(doorOf('ipfw'), keyOf(FIRST), MINUTE);
    await firewall.open(doorOf('ipfw'), keyOf(SECOND), MINUTE);
    const next = new RuleFirewall(new IpfwTable(ipfw.run));
    await next.prepare([doorOf('ipfw')], [{ door: 'a', source: keyOf(SECOND), remainingMs: MINUTE }]);
    assert.deepEqual([...(ipfw.tables.get('knock_tcp_22') ?? [])], [`${SECOND}/32 0`]);
    await next.prepare([doorOf('ipfw', 'u', 'udp')], []);
    assert.deepEqual([...ipfw.tables.keys()], ['knock_udp_22']);
    await next.prepare([], []);
    assert.deepEqual([ipfw.tables.size, ipfw.sets.size], [0, 0]);
  });

  test('when ipfw is disabled or its rules are gone then the guard does not stand', async () => {
    assert.equal(await firewall.guardStands(), true);
    ipfw.sets.delete('29');
    assert.equal(await firewall.guardStands(), false);
    ipfw.enabled = '0';
    await assert.rejects(firewall.prepare([doorOf('ipfw')], []), { code: 'FIREWALL', message: /disabled/ });
  });
});
