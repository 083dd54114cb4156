import type { Explanation } from './model.ts';
export async function renderPage(found: Explanation): Promise<string> {
  return JSON.stringify(found);
}
