/** The built addon exports what native/addon.d.ts declares, in that order, and nothing else. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { emptyDetails, emptyLink } from '../../src/domain/device-details.js';
import { emptyReading } from '../../src/domain/device.js';
import { loadAddon } from '../../src/native/load-addon.js';

const addon = loadAddon();
const path = fileURLToPath(new URL('../../native/addon.d.ts', import.meta.url));
const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022, true);

/** Values only: interfaces and types leave no trace at run time. */
function declaredValues(): string[] {
  return source.statements.flatMap((statement) => {
    if (ts.isVariableStatement(statement))
      return statement.declarationList.declarations.map((d) => d.name.getText());
    if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement))
      return [statement.name!.text];
    return [];
  });
}

function declaredMethods(className: string): string[] {
  const declaration = source.statements.find(
    (s): s is ts.ClassDeclaration => ts.isClassDeclaration(s) && s.name?.text === className,
  );
  return declaration!.members.filter(ts.isMethodDeclaration).map((m) => m.name.getText());
}

test('exports equal the declarations, in registration order', () => {
  expect(Object.keys(addon)).toEqual(declaredValues());
});

test.each(['SnapshotReader', 'NvmlSession', 'KvGraphRunner', 'EventRelay'] as const)(
  'methods of %s equal the declarations',
  (className) => {
    const methods = Object.getOwnPropertyNames(addon[className].prototype).filter((n) => n !== 'constructor');
    expect(methods).toEqual(declaredMethods(className));
  },
);

test('members of snapshotLayout equal the declarations and fit together', () => {
  const layout = addon.snapshotLayout;
  const declaration = source.statements
    .filter(ts.isVariableStatement)
    .flatMap((s) => [...s.declarationList.declarations])
    .find((d) => d.name.getText() === 'snapshotLayout')!;
  const members = (declaration.type as ts.TypeLiteralNode).members.map((m) => m.name!.getText());
  expect(Object.keys(layout)).toEqual(members);
  expect(layout.processesAt).toBe(
    layout.readingAt + addon.readingColumns.length + addon.detailColumns.length,
  );
  expect(layout.linksAt).toBe(layout.processesAt + 3 * layout.maxProcesses);
  expect((layout.migsAt - layout.linksAt) % addon.linkColumns.length).toBe(0);
  expect(layout.peersAt).toBeGreaterThan(layout.migsAt);
  expect(layout.deviceLength).toBe(layout.peersAt + layout.maxDevices);
  expect(layout.bufferLength).toBe(layout.devicesAt + layout.deviceLength * layout.maxDevices);
});

test('the columns of a row are the members of DeviceReading', () => {
  const optional = ['temperatureMarginCelsius'];
  expect([...addon.readingColumns].sort()).toEqual(
    [...new Set([...Object.keys(emptyReading), ...optional])].sort(),
  );
});

test('the columns behind them are the members of DeviceDetails, and those of a link of LinkReading', () => {
  expect([...addon.detailColumns]).toEqual(Object.keys(emptyDetails));
  expect([...addon.linkColumns]).toEqual(Object.keys(emptyLink));
});

test('return codes have their names, and unknown ones keep their number', () => {
  expect([0, 3, 15, 30, 999].map((code) => addon.returnName(code))).toEqual([
    'NVML_SUCCESS',
    'NVML_ERROR_NOT_SUPPORTED',
    'NVML_ERROR_GPU_IS_LOST',
    'NVML_ERROR_RESET_TYPE_NOT_SUPPORTED',
    'NVML_ERROR_UNKNOWN',
  ]);
  expect(addon.returnName(31)).toBe('NVML_ERROR_31');
  expect(addon.returnName(-1)).toBe('NVML_ERROR_-1');
});
