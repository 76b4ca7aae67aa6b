/** The ports that knocks may use: their text form, its canonical spelling, and the exact list of ports. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  allowedPorts,
  countAllowedPorts,
  DEFAULT_EXCLUDE_PORTS,
  DEFAULT_PORT_RANGE,
  formatPortRanges,
  parsePortRanges,
} from '../../../shared/allowed-ports.ts';
import { portArbitrary, portListArbitrary } from '../../support/core/arbitraries.ts';
import { specAllowedPorts } from '../../support/core/spec-client.ts';

describe('allowed ports', () => {
  test('are the same list by the product and by the SPEC', () => {
    fc.assert(
      fc.property(portListArbitrary, fc.oneof(fc.constant(''), portListArbitrary), (range, exclude) => {
        const ports = allowedPorts(parsePortRanges(range), parsePortRanges(exclude));
        assert.deepEqual(ports, specAllowedPorts(range, exclude));
        assert.equal(countAllowedPorts(parsePortRanges(range), parsePortRanges(exclude)), ports.length);
      }),
      { numRuns: 50 },
    );
  });

  const left: readonly { range: string; exclude: string; ports: readonly number[]; why: string }[] = [
    { range: '5-9', exclude: '', ports: [5, 6, 7, 8, 9], why: 'nothing is excluded' },
    { range: '5-9', exclude: '5', ports: [6, 7, 8, 9], why: 'the first port' },
    { range: '5-9', exclude: '9', ports: [5, 6, 7, 8], why: 'the last port' },
    { range: '5-9', exclude: '1-5,9-12', ports: [6, 7, 8], why: 'gaps that begin before and end behind it' },
    { range: '5-9', exclude: '4,10', ports: [5, 6, 7, 8, 9], why: 'gaps that end right before and begin right behind' },
    { range: '5-9', exclude: '6,8', ports: [5, 7, 9], why: 'two gaps in one range' },
    { range: '5-9', exclude: '5-9', ports: [], why: 'all of it' },
    { range: '5-9', exclude: '1-20', ports: [], why: 'all of it and more' },
    { range: '5-6,8-9', exclude: '6-8', ports: [5, 9], why: 'one gap takes of two ranges' },
    { range: '5-6,20', exclude: '1-2,8,30-40', ports: [5, 6, 20], why: 'gaps before, between and behind' },
    { range: '7-7', exclude: '', ports: [7], why: 'a range of one port' },
    { range: '1,65535', exclude: '2-65534', ports: [1, 65_535], why: 'the ends of all ports' },
  ];
  for (const { range, exclude, ports, why } of left) {
    test(`are ${ports.join(' ') || 'none'} of ${range} without ${exclude || 'any'} (${why})`, () => {
      const given = [parsePortRanges(range), parsePortRanges(exclude)] as const;
      assert.deepEqual(allowedPorts(...given), ports);
      assert.equal(countAllowedPorts(...given), ports.length);
    });
  }

  const spellings: readonly { text: string; spelled: string; why: string }[] = [
    { text: ' 7 - 9 ,8-12,13,, 80', spelled: '7-13,80', why: 'overlapping and adjacent ones are one, blanks are none' },
    { text: '80,22', spelled: '22,80', why: 'ascending' },
    { text: '1-100,5-10', spelled: '1-100', why: 'one lies within the other' },
    { text: '5-10,1-100', spelled: '1-100', why: 'the same, the other way round' },
    { text: '5-10,5-7', spelled: '5-10', why: 'both begin at one port' },
    { text: '5,7', spelled: '5,7', why: 'with one port between them they stay apart' },
    { text: '9-9', spelled: '9', why: 'a range of one port is a port' },
    { text: ' ,, ', spelled: '', why: 'no ports' },
  ];
  for (const { text, spelled, why } of spellings) {
    test(`written as ${JSON.stringify(text)} are spelled ${JSON.stringify(spelled)} (${why})`, () => {
      assert.equal(formatPortRanges(parsePortRanges(text)), spelled);
    });
  }

  test('have one canonical spelling, which reads back as the same ranges', () => {
    fc.assert(
      fc.property(portListArbitrary, portArbitrary, (text, port) => {
        const ranges = parsePortRanges(text);
        const spelled = formatPortRanges(ranges);
        assert.deepEqual(parsePortRanges(spelled), ranges);
        assert.equal(formatPortRanges(parsePortRanges(spelled)), spelled);
        for (const [at, range] of ranges.entries()) {
          assert.ok(range.from <= range.to);
          assert.ok(at === 0 || (ranges[at - 1]?.to ?? 0) + 1 < range.from, 'disjoint, ascending, not adjacent');
        }
        assert.equal(
          ranges.some(({ from, to }) => from <= port && port <= to),
          allowedPorts(ranges, []).includes(port),
        );
      }),
      { numRuns: 50 },
    );
  });

  test('by default are 64500', () => {
    const ports = allowedPorts(parsePortRanges(DEFAULT_PORT_RANGE), parsePortRanges(DEFAULT_EXCLUDE_PORTS));
    assert.equal(ports.length, 64_500);
  });

  for (const text of ['0', '65536', '9-7', '0-7', '7-65536', '1-2-3', 'ssh', '-5', '1-', '1;2', '1–2', '1-2-']) {
    test(`refuse ${JSON.stringify(text)}, and say which part that is and how ports are written`, () => {
      assert.throws(() => parsePortRanges(`80, ${text} ,90`), {
        code: 'CONFIG_INVALID',
        message: `"${text}" is not a port or a range of ports`,
        hint: 'write ports as 1 to 65535, ranges as 1024-65535, several with commas',
      });
    });
  }
});
