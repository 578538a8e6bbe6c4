import { BenchError } from '../errors.ts';
import type { BenchServer } from './server.ts';

export async function startRdb(): Promise<BenchServer & { readonly grpcPort: number }> {
  throw new BenchError('r_db does not run yet');
}
