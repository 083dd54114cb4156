// Copies an image between two places, unless it is there already: node examples/copy.mjs alpine oci:alpine.oci
import { copy, inspect, openContext } from 'ocislim';

const [from = 'alpine', to = 'oci:alpine.oci'] = process.argv.slice(2);

const context = await openContext();
try {
  const wanted = await inspect(from, undefined, context);
  const there = await inspect(to, undefined, context).catch(() => undefined);
  if (there?.inspection.digest === wanted.inspection.digest) {
    console.log(`${to} has it`);
  } else {
    const { name, digest } = await copy(from, to, {}, context);
    console.log(`${name}@${digest}`);
  }
} finally {
  await context.close();
}
