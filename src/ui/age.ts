const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago something was, in Docker's words: `3 weeks ago`. `now` is in milliseconds. */
export function humanAge(date: Date, now: number): string {
  const seconds = Math.floor((now - date.getTime()) / 1000);
  return Number.isNaN(seconds) ? 'N/A' : `${span(Math.max(seconds, 0))} ago`;
}

/** Docker's own steps (github.com/docker/go-units): the words change at one unit, the number is rounded down. */
function span(seconds: number): string {
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < MINUTE) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / MINUTE);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.floor(seconds / HOUR + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (hours < 24 * 7 * 2) return `${days} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(days / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(seconds / DAY / 365)} years`;
}
