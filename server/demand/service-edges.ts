/** The access of services on demand to this machine. */
import { runServiceCommand } from './service-commands.ts';
import type { ServiceEdges } from './service-deps.ts';
import { readBootId, readServices } from './service-inspection.ts';

export const serviceEdges: ServiceEdges = { read: readServices, run: runServiceCommand, bootId: readBootId };
