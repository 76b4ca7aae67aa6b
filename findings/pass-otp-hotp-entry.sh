#!/usr/bin/env bash
# pass-extension-otp 1.2.0-7 with pass 1.7.4-6 and oathtool 2.6.7-3.1+deb12u1 (Debian 12), under bash 5.2.
#
# Surprising: `pass otp` cannot count. Of a valid otpauth://hotp URI it gives one code, and then, by the place of
# `counter` in the query:
#   - behind another parameter: the entry is rewritten with both the old and the new count, `counter=0counter=1`, and
#     every later call refuses it as a URI without a counter
#   - first: the entry is never rewritten, and every call prints the same "one-time" code
# The first code is that of the count after the stored one, so the code of the stored count is never given.
# Expected: 755224, 287082, 359152, ... (the codes of RFC 4226 for counts 0, 1, 2), with the count in the entry one higher
# each time, wherever it stands.
# Seen: 287082 and then an error, or 287082 for ever. `pass otp insert` and `pass otp code` exit with 0 while they do it.
# The order of parameters has no meaning in such a URI. The first half is bash's `&` in the replacement of ${a/b/c}, which
# stands for what was found since 5.2.
#
# Why it matters to knock-otp: an authenticator that gives the same code again, or loses the count, is one whose user's
# one-time secrets are refused as spent. Secrets that count must not be handed to users as otpauth://hotp URIs.

# shellcheck source=common.bash
source "$(dirname "$0")/common.bash"

prepare() {
  ((BASH_VERSINFO[0] > 5 || (BASH_VERSINFO[0] == 5 && BASH_VERSINFO[1] >= 2))) || skip "bash $BASH_VERSION is older than 5.2"
  command -v gpg >/dev/null || skip 'needs gpg'
  debs pass-extension-otp=1.2.0-7 pass=1.7.4-6 oathtool=2.6.7-3.1+deb12u1
}

# three_codes QUERY: what three calls print for an entry with this query, into $codes.
three_codes() {
  printf 'otpauth://hotp/Example:alice?%s\n' "$1" | pass otp insert --force entry >/dev/null
  local call code
  codes=
  say "  stored:  $(pass show entry)"
  for call in 1 2 3; do
    code=$(pass otp entry 2>/dev/null) || code='refused'
    say "  call $call:  $code, and the entry is $(pass show entry)"
    codes+="$code "
  done
}

observe() {
  use_root
  export HOME=$work/home GNUPGHOME=$work/home/gnupg
  export PASSWORD_STORE_DIR=$HOME/store PASSWORD_STORE_ENABLE_EXTENSIONS=true
  export PASSWORD_STORE_EXTENSIONS_DIR=$work/root/usr/lib/password-store/extensions
  mkdir -m 700 "$HOME" "$GNUPGHOME"
  gpg --batch --quiet --passphrase '' --quick-gen-key finding@example.org default default never 2>/dev/null
  pass init finding@example.org >/dev/null
  say "bash $BASH_VERSION, $(oathtool --version | head -n 1)"

  local secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ
  local due codes
  due=$(oathtool --hotp --base32 --counter=0 --window=2 "$secret" | paste -sd ' ')
  say "due, from the count 0 on: $due"
  say 'counter behind the secret:'
  three_codes "secret=$secret&counter=0"
  [[ $codes == '287082 refused refused ' ]] || changed 'the entry outlives its first code'
  say 'counter before the secret:'
  three_codes "counter=0&secret=$secret"
  [[ $codes == '287082 287082 287082 ' ]] || changed 'the codes differ from call to call'
  say 'AS STATED: one code and then none, or one code for ever'
}

run_finding "$@"
