/** `npm run build` after tsc: writes the client as one file, dist/knock-otp.cjs, for the repository that we stand in. */
import { join } from 'node:path';
import { bundleClient } from './build/single-file.ts';

await bundleClient(process.cwd(), join(process.cwd(), 'dist/knock-otp.cjs'));
