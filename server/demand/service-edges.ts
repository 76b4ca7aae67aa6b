/** What services on demand touch of this machine. */
import { runServiceCommand } from './service-commands.ts';
import { readBootId, readServices } from './service-looks.ts';
import type { ServiceEdges } from './service-work.ts';

export const serviceEdges: ServiceEdges = { read: readServices, run: runServiceCommand, bootId: readBootId };
