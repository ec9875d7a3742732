// Makes the committed PTX from the CUDA sources: nvcc -> lowered `.version` -> ptxas for every target. Needed only by who
// changes a kernel. `node scripts/generate-ptx.mjs` writes; `--check` fails when what is committed is not what nvcc makes;
// `--first-target` assembles for the oldest target only (all of them take two minutes of CPU time).
//
// The `.version` line that nvcc writes is its own age, not what the code needs, and drivers refuse a version newer than
// themselves. ptxas rejects an instruction newer than the declared version, which makes the lowering safe.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const native = fileURLToPath(new URL('../native/', import.meta.url));
const images = {
  // Every driver from 470 on (PTX 7.4).
  sm80: { arch: 'compute_80', version: '7.4', targets: [80, 86, 89, 90, 100, 103, 110, 120] },
  // Hardware fp8 conversion; drivers from 530 on (PTX 8.1).
  sm89: { arch: 'compute_89', version: '8.1', targets: [89, 90, 100, 103, 110, 120] },
};
/** `<path>.cu` becomes `<path>.<image>.ptx` beside it. */
const sources = [
  { path: 'kvquant/cuda/kv_kernels', of: ['sm80', 'sm89'] },
  { path: 'probe/kernels', of: ['sm80'] },
].filter(({ path }) => existsSync(`${native}${path}.cu`));

const firstTargetOnly = process.argv.includes('--first-target');
const check = process.argv.includes('--check');
if (spawnSync(tool('nvcc'), ['--version'], { stdio: 'ignore' }).status !== 0) {
  console.log(`nvcc is not at hand: the committed PTX was not ${check ? 'checked' : 'made'}`);
  process.exit(check ? 0 : 1);
}
const scratch = mkdtempSync(join(tmpdir(), 'infernode-ptx-'));
let wrong = 0;
try {
  for (const { path, of } of sources) for (const name of of) generate(path, name, images[name]);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exitCode = wrong === 0 ? 0 : 1;

function generate(source, name, { arch, version, targets }) {
  const made = join(scratch, 'made.ptx');
  // Exact formats: no contraction, no flush to zero, no approximate division.
  const exact = [
    '--expt-relaxed-constexpr',
    '-fmad=false',
    '-ftz=false',
    '-prec-div=true',
    '-prec-sqrt=true',
  ];
  execFileSync(tool('nvcc'), [
    '-ptx', `-arch=${arch}`, '-std=c++17', '-O3', ...exact, `-I${native}`, '-o', made, `${native}${source}.cu`,
  ], { stdio: 'inherit' }); // prettier-ignore
  const text = lower(readFileSync(made, 'utf8'), version);
  writeFileSync(made, text);
  const assembled = firstTargetOnly ? targets.slice(0, 1) : targets;
  if (!assembled.every((target) => assembles(made, `sm_${target}`, join(scratch, 'made.cubin')))) return;
  const committed = `${native}${source}.${name}.ptx`;
  if (!check) writeFileSync(committed, text);
  else if (!existsSync(committed) || readFileSync(committed, 'utf8') !== text) {
    console.error(`${committed} is not what nvcc makes of ${source}.cu: run node scripts/generate-ptx.mjs`);
    wrong += 1;
  }
  console.log(
    `${source}.${name}.ptx: PTX ${version}, assembles for ${assembled.map((t) => `sm_${t}`).join(' ')}`,
  );
}

/** Without what changes from one build of nvcc to the next. */
function lower(text, version) {
  return (
    text
      .replace(/^\.version .*$/m, `.version ${version}`)
      .replace(/^\/\/.*\n/gm, '')
      // A hint about unread bytes, which PTX before 8.3 does not know.
      .replace(/^\s*\.pragma "used_bytes_mask [^"]*";\n/gm, '')
      .replace(/\n{3,}/g, '\n\n')
      .trimStart()
  );
}

function assembles(ptx, target, out) {
  const { status, stderr } = spawnSync(tool('ptxas'), [`-arch=${target}`, '-o', out, ptx], {
    encoding: 'utf8',
  });
  if (status === 0) return true;
  console.error(`ptxas refuses ${ptx} for ${target}: ${stderr}`);
  wrong += 1;
  return false;
}

function tool(name) {
  const toolkits = existsSync('/usr/local')
    ? readdirSync('/usr/local').filter((d) => d.startsWith('cuda')).map((d) => `/usr/local/${d}/bin/${name}`)
    : []; // prettier-ignore
  const found = toolkits.find((path) => existsSync(path));
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0 ? name : (found ?? name);
}
