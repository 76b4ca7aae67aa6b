/**
 * A separate process for the factor tests: `FOLDER COUNT [crash]` reserves COUNT factors one after the other and prints
 * each. With `crash` it kills itself right after its last reservation, before it prints that one.
 */
import { factorLedger } from '../../../client/factors/factor-ledger.ts';

const [folder = '', count = '', crash] = process.argv.slice(2);
const ledger = factorLedger(folder, { platform: process.platform, uid: process.getuid?.() });
for (let got = 0; got < Number(count); ) {
  const factor = (await ledger.last()) + 1;
  if (!(await ledger.reserve(factor))) continue;
  got += 1;
  if (crash !== undefined && got === Number(count)) process.kill(process.pid, 'SIGKILL');
  process.stdout.write(`${factor}\n`);
}
