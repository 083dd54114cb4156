// biome-ignore lint/suspicious/noExplicitAny: stands in until it is there.
export async function openGitTree(..._: any[]): Promise<any> {
  throw new Error('x');
}
