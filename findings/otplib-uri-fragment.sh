#!/usr/bin/env bash
# npm package @otplib/uri 13.5.0.
#
# Surprising: the parser of otpauth URIs does not know that a URI can end in a fragment, and takes `#note` for a part of
# the last parameter. Written back, it is escaped, and can no longer be told from the value.
# Expected: what every parser of URIs does with the generic syntax (RFC 3986): a query ends before `#`. Node's URL reads
# the same string so.
# Seen: with the secret last, parse() returns without an error a secret that ends in `#note`; generate() of it writes
# `%23note`, from where Node's URL reads it into the secret, too. Only who decodes the base32 much later sees an error. With
# `digits` last, parse() refuses the same URI at once.
#
# Why it matters to knock-otp: profiles are handed out as otpauth URIs, and people note things behind a `#` on a link. The
# order of parameters decides whether that is refused as what it is, or comes back as a broken secret; a fragment
# has to be refused or cut off before the URI is parsed.

# shellcheck source=common.bash
source "$(dirname "$0")/common.bash"

prepare() {
  npm_package @otplib/uri 13.5.0
  cat >"$work/finding.mjs" <<'END'
import { generate, parse } from '@otplib/uri';

const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const last = `otpauth://totp/Example:alice?secret=${secret}#note`;
const parsed = parse(last);
const again = generate(parsed);
const ofUrl = (uri) => new URL(uri).searchParams.get('secret');
console.log(`  ${last}`);
console.log(`    URL:      secret ${ofUrl(last)}`);
console.log(`    parse:    secret ${parsed.params.secret}`);
console.log(`    generate: ${again}`);
console.log(`    URL of that: secret ${ofUrl(again)}`);

const first = `otpauth://totp/Example:alice?secret=${secret}&digits=6#note`;
let error;
try {
  parse(first);
} catch (thrown) {
  error = thrown;
}
console.log(`  ${first}`);
console.log(`    parse:    ${error?.name ?? 'no error'}`);

const stated = ofUrl(last) === secret && ofUrl(again) === `${secret}#note` && error?.name === 'InvalidParameterError';
process.exit(stated && parsed.params.secret === `${secret}#note` ? 0 : 1);
END
}

observe() {
  node "$work/finding.mjs" || changed 'a fragment is no longer a part of the last parameter'
  say 'AS STATED: the fragment became a part of the secret'
}

run_finding "$@"
