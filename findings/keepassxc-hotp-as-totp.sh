#!/usr/bin/env bash
# KeePassXC 2.7.4+dfsg.1-2 (Debian 12), its command keepassxc-cli; oathtool 2.6.7-3.1+deb12u1 to compare.
#
# Surprising: KeePassXC takes an entry with an otpauth://hotp URI (codes by a count) for otpauth://totp (codes by the
# clock), and says so nowhere.
# Expected: the code of the count, 755224 for the count 0 and this secret (RFC 4226), or an error that it knows no HOTP.
# Seen: `keepassxc-cli import` accepts the URI, and `show --totp` prints the code of the current half minute, exit code 0.
# It is another code than any of the first thousand counts gives, and it changes by itself.
#
# Why it matters to knock-otp: the tool shows six digits that look right and never are. Who enrols a secret that counts
# in it gets refusals with no hint whose fault they are, so only totp URIs can be handed to users for it.

# shellcheck source=common.bash
source "$(dirname "$0")/common.bash"

prepare() { debs keepassxc=2.7.4+dfsg.1-2 oathtool=2.6.7-3.1+deb12u1; }

entry() { # TITLE URI
  printf '<Entry><String><Key>Title</Key><Value>%s</Value></String>' "$1"
  printf '<String><Key>otp</Key><Value>%s</Value></String></Entry>\n' "${2//&/\&amp;}"
}
shown() { printf 'password\n' | keepassxc-cli show --quiet --totp "$work/finding.kdbx" "$1"; }
now() { oathtool --totp --base32 "$secret"; }

observe() {
  use_root
  export HOME=$work/home QT_QPA_PLATFORM=offscreen secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ
  mkdir -p "$HOME"
  say "keepassxc-cli $(keepassxc-cli --version)"
  {
    printf '<?xml version="1.0" encoding="utf-8"?>\n<KeePassFile><Meta/><Root><Group><Name>Root</Name>\n'
    entry counted "otpauth://hotp/Example:alice?secret=$secret&counter=0"
    entry timed "otpauth://totp/Example:alice?secret=$secret"
    printf '</Group></Root></KeePassFile>\n'
  } >"$work/finding.xml"
  printf 'password\npassword\n' |
    keepassxc-cli import --quiet --set-password --decryption-time 100 "$work/finding.xml" "$work/finding.kdbx" \
      2>/dev/null

  local due before counted timed after
  due=$(oathtool --hotp --base32 --counter=0 --window=999 "$secret")
  # Once more where the half minute ended in between.
  for _ in 1 2 3; do
    before=$(now)
    counted=$(shown counted) || changed 'an hotp entry is refused'
    timed=$(shown timed)
    after=$(now)
    [[ $before == "$after" ]] && break
  done
  say "  oathtool, count 0:           $(head -n 1 <<<"$due")"
  say "  oathtool, this half minute:  $after"
  say "  KeePassXC, totp entry:       $timed"
  say "  KeePassXC, hotp entry:       $counted"
  [[ $timed == "$after" ]] || changed 'the totp entry gives another code than oathtool'
  [[ $counted == "$after" ]] || changed 'the hotp entry no longer gives the code of the clock'
  ! grep -qx "$counted" <<<"$due" || skip 'by chance this code is also one of a count: run it again'
  say 'AS STATED: the hotp entry gives the code of the clock, without a word'
}

run_finding "$@"
