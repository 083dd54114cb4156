/** What `unshare`, `sh`, `mount` and bubblewrap itself need; the command gets none of it. */
export function hostEnvironment(): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C' };
}

/** For POSIX shells. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
