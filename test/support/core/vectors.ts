/** The frozen vectors of SPEC section 9, typed; read from their files so that no test carries a copy. */
import { readFileSync } from 'node:fs';
import type { OtpMode } from '../../../shared/moving-factor.ts';
import type { SpecInput, SpecResult } from './spec-client.ts';

export type SequenceVector = SpecInput &
  SpecResult & { readonly name: string; readonly mode: OtpMode } & {
    readonly protocols: 'tcp' | 'udp' | 'both';
  };

export interface Rfc4226Vectors {
  readonly secretHex: string;
  readonly vectors: readonly {
    readonly counter: number;
    readonly hmacHex: string;
    readonly truncated: number;
    readonly code: string;
  }[];
}

export interface Rfc6238Vectors {
  readonly step: number;
  readonly secretHex: Readonly<Record<'sha1' | 'sha256' | 'sha512', string>>;
  readonly vectors: readonly {
    readonly unix: number;
    readonly timeStepHex: string;
    readonly sha1: string;
    readonly sha256: string;
    readonly sha512: string;
  }[];
}

function read<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`../../vectors/${file}`, import.meta.url), 'utf8')) as T;
}

/** Both parts of a knock at a door that binds to the source. */
export type AttemptVector = SpecInput & {
  readonly name: string;
  readonly mode: OtpMode;
  readonly protocols: 'tcp' | 'udp' | 'both';
  readonly boundSource: string;
  readonly knocking: readonly string[];
};

export const sequenceVectors = read<{
  label: string;
  vectors: readonly SequenceVector[];
  attempts: readonly AttemptVector[];
}>('sequence.json');
export const rfc4226 = read<Rfc4226Vectors>('rfc4226.json');
export const rfc6238 = read<Rfc6238Vectors>('rfc6238.json');
