/** What `knock-otpd check` says of a door's service on demand: nothing where there is none. */
import type { ServiceTerms } from '../../demand/service-terms.ts';

/** The commands may hold what is not for every eye. */
export interface ServiceReported {
  readonly service?: { readonly ports: readonly number[]; readonly idleSeconds: number; readonly stopsAny: boolean };
}

export function serviceReport({ service }: { readonly service?: ServiceTerms }): ServiceReported {
  if (service === undefined) return {};
  const { ports, idleMs, adopts } = service;
  return { service: { ports, idleSeconds: idleMs / 1000, stopsAny: adopts === true } };
}

export function serviceLine({ service }: ServiceReported): [string, string][] {
  if (service === undefined) return [];
  const { ports, idleSeconds, stopsAny } = service;
  const whose = stopsAny ? ', whoever started it' : '';
  const where = ports.map((port) => `tcp/${port}`).join(', ');
  return [['service', `started by a knock, stopped after ${idleSeconds} s without use of ${where}${whose}`]];
}
