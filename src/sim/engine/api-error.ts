import { isAtLeast } from './vllm-version.js';

/** An answer of section "errors": status, type and message; `body` overrides the form. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    message: string,
    readonly parameter: string | null = null,
  ) {
    super(message);
  }
}

export const badRequest = (message: string, parameter: string | null = null): ApiError =>
  new ApiError(400, 'BadRequestError', message, parameter);

export const schemaError = (message: string): ApiError => new ApiError(400, 'Bad Request', message);

/** Since 0.10.1 the error sits in an `error` member; before, its members were the body. */
export function errorBody({ status, type, message, parameter }: ApiError, version: string): object {
  const inner = { message, type, param: parameter, code: status };
  return isAtLeast(version, '0.10.1') ? { error: inner } : { object: 'error', ...inner };
}
