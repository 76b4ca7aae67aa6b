/** `npm run build` after tsc: writes the programs as single files into dist/ of the current folder. */
import { join } from 'node:path';
import { bundleClient, bundleServer } from './single-file.ts';

const root = process.cwd();
await bundleClient(root, join(root, 'dist/knock-otp.cjs'));
await bundleServer(root, join(root, 'dist'));
