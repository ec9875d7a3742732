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
/** `<source>.cu`, its entry number `one` or all of them, becomes `<made>.<image>.ptx`. The order is that of kKernelNames. */
const kv = ['encode_bf16', 'encode_fp16', 'decode_bf16', 'decode_fp16', 'encode_r', 'decode_r'];
const sources = [
  ...kv.map((entry, one) => ({
    source: 'kvquant/cuda/kv_kernels',
    made: `kvquant/cuda/ptx/${entry}`,
    one,
    // Only encoding has an instruction that newer devices bring (fp8 from f32), and engines on them cache bf16.
    of: entry === 'encode_bf16' ? ['sm80', 'sm89'] : ['sm80'],
  })),
  { source: 'probe/kernels', made: 'probe/kernels', of: ['sm80'] },
];

/** Short names for nvcc's kinds of register. */
const registers = { rd: 'd', rs: 'h', r: 'r', f: 'f', fd: 'e', p: 'p' };

const firstTargetOnly = process.argv.includes('--first-target');
const check = process.argv.includes('--check');
if (spawnSync(tool('nvcc'), ['--version'], { stdio: 'ignore' }).status !== 0) {
  console.log(`nvcc is not at hand: the committed PTX was not ${check ? 'checked' : 'made'}`);
  process.exit(check ? 0 : 1);
}
const scratch = mkdtempSync(join(tmpdir(), 'infernode-ptx-'));
let wrong = 0;
try {
  for (const source of sources) for (const name of source.of) generate(source, name, images[name]);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exitCode = wrong === 0 ? 0 : 1;

function generate({ source, made: base, one }, name, { arch, version, targets }) {
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
    '-ptx', `-arch=${arch}`, '-std=c++17', '-O3', ...exact, ...(one === undefined ? [] : [`-DKV_ONE=${one}`]), `-I${native}`, '-o', made, `${native}${source}.cu`,
  ], { stdio: 'inherit' }); // prettier-ignore
  const text = lower(readFileSync(made, 'utf8'), version);
  writeFileSync(made, text);
  const assembled = firstTargetOnly ? targets.slice(0, 1) : targets;
  if (!assembled.every((target) => assembles(made, `sm_${target}`, join(scratch, 'made.cubin')))) return;
  const committed = `${native}${base}.${name}.ptx`;
  if (!check) writeFileSync(committed, text);
  else if (!existsSync(committed) || readFileSync(committed, 'utf8') !== text) {
    console.error(`${committed} is not what nvcc makes of ${source}.cu: run node scripts/generate-ptx.mjs`);
    wrong += 1;
  }
  console.log(
    `${base}.${name}.ptx: ${text.length} bytes, PTX ${version}, assembles for ${assembled.map((t) => `sm_${t}`).join(' ')}`,
  );
}

/** Without what changes from one build of nvcc to the next, and without comments and blanks: it is embedded, and no one's to read. */
function lower(text, version) {
  return (
    text
      .replace(/^\.version .*$/m, `.version ${version}`)
      .replace(/\s*\/\/.*$/gm, '')
      // A hint about unread bytes, which PTX before 8.3 does not know.
      .replace(/^\s*\.pragma "used_bytes_mask [^"]*";$/gm, '')
      .replace(/^[ \t]+|[ \t]+$/gm, '')
      .replace(/[ \t]+/g, ' ')
      .replace(/, /g, ',')
      .replace(/ ?([{};]) ?/g, '$1')
      .replace(/\n{2,}/g, '\n')
      // Register and label names are a third of the text.
      .replace(/%(rd|rs|r|fd|f|p)(?=[\d<])/g, (_, kind) => registers[kind])
      .replace(/\$L__BB\d+_/g, 'L')
      // Names of what is static hold a hash of where this was built.
      .replace(/\b_ZZN\d+_INTERNAL_\w+?E(\d+)([a-z]\w*)/g, (_, length, tail) => tail.slice(0, Number(length)))
      .replace(/\b_ZN\d+_INTERNAL_\w*?kv\d+(k[A-Z][a-z]+)E/g, '$1')
      .replace(/\b\w+_param_(\d+)\b/g, 'P$1')
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
