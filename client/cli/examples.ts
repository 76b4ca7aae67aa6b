/** The examples in the help of each command. A test parses every line with the grammar. */
import type { Examples } from '../../shared/command-line/examples.ts';

export const EXAMPLES: Examples = {
  '': [
    ['knock-otp bastion1', 'open the door of a profile or address'],
    ['knock-otp b1 b2 b3', 'the first that opens; or name a group'],
    ['knock-otp ssh admin@bastion1 uptime', 'knock, then ssh'],
    ['knock-otp exec db -- psql -h db', 'knock, then run a program'],
    ['knock-otp bastion1 7000 8000:udp', 'ports, without a profile: knock(1)'],
    ['knock-otp bastion1 --one-time FILE', 'the next sequence of a one-time file'],
    ['knock-otp ssh-config >> ~/.ssh/config', 'then ssh, scp, rsync and git knock'],
    ['knock-otp knock list', 'a host whose name is also a command'],
  ],
  knock: [
    ['knock-otp knock list', 'a host whose name is "list", which is also a command'],
    ['knock-otp knock list -v', 'the same, and show each knock'],
  ],
  ssh: [
    ['knock-otp ssh bastion1', ''],
    ['knock-otp ssh -p 2222 -L 8080:localhost:80 admin@bastion1 -t top', ''],
  ],
  exec: [
    ['knock-otp exec db -- psql -h db.example.org', ''],
    [`knock-otp exec web -- sh -c 'curl "https://$KNOCK_OTP_ADDRESS:$KNOCK_OTP_PORT/"'`, ''],
  ],
  'ssh-config': [
    ['knock-otp ssh-config >> ~/.ssh/config', 'every profile with a TCP port'],
    ['knock-otp ssh-config bastion1', ''],
  ],
  group: [
    ['knock-otp group add work b1 b2 b3', ''],
    ['knock-otp work', 'the first of them that opens'],
  ],
  'group add': [['knock-otp group add work b1 b2 b3', '']],
  'group list': [['knock-otp group list', '']],
  'group remove': [['knock-otp group remove work', '']],
  add: [
    ['knock-otp add - --as bastion1 < laptop.uri', 'the line that knock-otpd enroll printed'],
    ['knock-otp add - --as bastion1 --passphrase', 'paste the line; a passphrase protects it at once'],
  ],
  list: [
    ['knock-otp list', ''],
    ['knock-otp list --json', ''],
  ],
  remove: [
    ['knock-otp remove bastion1', ''],
    ['knock-otp remove bastion1 --door web', 'one of several doors'],
  ],
  lock: [
    ['knock-otp lock bastion1', 'asks for a passphrase now, and again at each knock'],
    ['knock-otp lock bastion1 --keyring', "the desktop's keyring, open while you are logged in"],
  ],
  unlock: [['knock-otp unlock bastion1', 'back to a file that only you can read']],
  doctor: [
    ['knock-otp doctor bastion1', ''],
    ['knock-otp doctor bastion1 --ntp ntp.example.org --echo my-other-host', ''],
  ],
  show: [
    ['knock-otp show bastion1', ''],
    ['knock-otp show bastion1 --as bash', 'a line that knocks once from any machine'],
    ['knock-otp show bastion1 --code', 'what an authenticator app should show now'],
    ['knock-otp show bastion1 --one-time FILE --as nc', 'the next line of a one-time file'],
  ],
  completion: [
    ['knock-otp completion bash > ~/.local/share/bash-completion/completions/knock-otp', ''],
    ['knock-otp completion zsh > ~/.zfunc/_knock-otp', 'a folder of your fpath'],
    ['knock-otp completion fish > ~/.config/fish/completions/knock-otp.fish', ''],
  ],
};
