/** The OpenRC script under OpenRC's own programs: the daemon starts, restarts when killed or deaf, and stops. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { hasPatience } from '../../support/host/inside-namespaces.ts';
import { noSystemd } from '../../support/service/booted-systemd.ts';
import { ServiceWorld } from '../../support/service/service-world.ts';

/** See scripts/setup. */
const OPENRC = '/usr/local/lib/knock-otp-test/openrc';

const skip = !hasPatience()
  ? 'it takes half a minute: npm test -- --long'
  : !existsSync(OPENRC)
    ? 'OpenRC is not there: KNOCK_OTP_LONG=true scripts/setup --test, as root'
    : (noSystemd() ?? false);

test('OpenRC starts it, keeps it running and stops it', { skip, timeout: 180_000 }, async () => {
  await using world = await ServiceWorld.create();
  const { machine } = world;
  // OpenRC need not be the init system of the machine: it needs only its folders.
  await machine.must(`tar -C ${OPENRC} -c . | tar -C / -x --keep-directory-symlink
ldconfig
for part in daemons exclusive failed hotplugged inactive options scheduled started starting stopping tmp wasinactive; do
  mkdir -p "/run/openrc/$part"
done
touch /run/openrc/softlevel /etc/insserv.conf
printf '#!/sbin/openrc-run\\nstart() { return 0; }\\n' > /etc/init.d/localmount
chmod 755 /etc/init.d/localmount
ln -s /opt/knock-otp/dist/knock-otpd.cjs /usr/local/sbin/knock-otpd
chmod 755 /opt/knock-otp/dist/knock-otpd.cjs`);
  await world.serve(22);
  const uri = await machine.must(
    `knock-otpd init --yes --interface eth0 --server b1 --door ssh --client laptop --host ${world.server.ipv4}`,
  );
  await world.adopt('b1', uri);
  const installed = await machine.run(['knock-otpd', 'install-service', '--init', 'openrc']);
  assert.equal(installed.code, 0, installed.stderr);
  // Health checks every 3 seconds here, not every minute.
  await machine.must(`sed -i 's/^healthcheck_\\(delay\\|timer\\)=60/healthcheck_\\1=3/' /etc/init.d/knock-otpd
rc-service knock-otpd start`);
  const pidOf = async (): Promise<string> =>
    (await machine.must('until knock-otpd status --json 2>/dev/null; do sleep 0.2; done | tail -1')).replace(
      /.*"pid":(\d+).*/s,
      '$1',
    );
  const first = await pidOf();
  const status = await machine.must(`cat /proc/${first}/status`);
  assert.match(status, /^CapBnd:\t0*3000$/m);
  assert.match(status, /^NoNewPrivs:\t1$/m);
  const knocked = await world.knock(['b1']);
  assert.equal(knocked.code, 0, knocked.stderr);
  assert.equal((await machine.run(['rc-service', 'knock-otpd', 'status'])).code, 0);
  await machine.must('rc-service knock-otpd reload');

  for (const signal of ['KILL', 'STOP']) {
    const before = await pidOf();
    await machine.must(`kill -${signal} ${before}; while kill -0 ${before} 2>/dev/null; do sleep 0.2; done`);
    assert.notEqual(await pidOf(), before, signal);
  }
  await machine.must('rc-service knock-otpd stop');
  assert.notEqual((await machine.run(['knock-otpd', 'status'])).code, 0);
  const removed = await machine.run(['knock-otpd', 'install-service', '--remove']);
  assert.equal(removed.code, 0, removed.stderr);
  assert.ok(!existsSync(machine.path('/etc/init.d/knock-otpd')));
});
