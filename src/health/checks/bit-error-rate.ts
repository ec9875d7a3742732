/**
 * A bit-error rate as NVML encodes it (fields 220 and 222): mantissa in bits 8-11, exponent in bits 0-7, for
 * mantissa x 10^-exponent. Mantissa 15 with exponent 255 stands for zero. Example: 0x20c is 2 x 10^-12.
 */
export function decodeBitErrorRate(encoded: number): { rate: number; mantissa: number; exponent: number } {
  const exponent = encoded & 0xff;
  const mantissa = (encoded >> 8) & 0xf;
  const isZero = mantissa === 15 && exponent === 255;
  return { rate: isZero ? 0 : mantissa * 10 ** -exponent, mantissa, exponent };
}
