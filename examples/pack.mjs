// Packs a program and writes a layout: node examples/pack.mjs ./hello
// It shows what is going on, and stops at Ctrl-C with nothing half-written left behind.
import { inspect, OcislimError, openContext, pack, packRequest, progressEvents } from 'ocislim';

const [path = './hello'] = process.argv.slice(2);

const controller = new AbortController();
process.once('SIGINT', () => controller.abort());

const progress = progressEvents((event) => {
  if (event.type === 'start') console.error(`${event.label} …`);
  if (event.type === 'note' || event.type === 'warning') console.error(event.message);
});

const context = await openContext({ progress, signal: controller.signal });
try {
  const request = packRequest({
    path,
    base: 'static',
    tag: ['hello:1'],
    output: ['oci:hello.oci'],
    env: { LANG: 'C.UTF-8' },
    user: '65532',
  });
  const { names, digest } = await pack(request, context);
  const { inspection } = await inspect('oci:hello.oci', undefined, context);
  console.log(`${names[0]}@${digest}`);
  for (const { platform, size } of inspection.platforms) console.log(`${platform}: ${size} bytes`);
} catch (error) {
  if (!(error instanceof OcislimError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  if (error.hint !== undefined) console.error(error.hint);
  process.exitCode = error.exitCode;
} finally {
  await context.close();
}
