/**
 * Who speaks for a node name. Two machines that announce one name would overwrite each other's endpoints at each message,
 * so the first holds the name and the second is refused until the first is gone (design decision 13).
 */

/** A watcher, as far as claims need it. */
export interface ClaimHolder {
  readonly address: string;
  /** Its stream is up. */
  readonly connected: boolean;
  /** Since its agent spoke last, ms. */
  readonly silentForMs: number;
  /** Another one speaks for the node now. */
  loseClaim(reason: string): void;
}

/**
 * A machine that has been silent for this long no longer keeps a replacement of the same name out. Long enough for a
 * reboot of the agent's host network or a rolled-out agent, short beside the minutes a replacement takes to load a model.
 */
export const claimHoldMs = 60_000;

export class NodeClaims {
  readonly #claims = new Map<string, { machineId: string; holder: ClaimHolder }>();

  /** Takes the name for the holder; otherwise says why not. */
  claim(node: string, machineId: string, holder: ClaimHolder): string | null {
    const claim = this.#claims.get(node);
    if (claim && claim.holder !== holder) {
      const refusal = refusalOf(node, machineId, claim);
      if (refusal !== null) return refusal;
      claim.holder.loseClaim(`${holder.address} speaks for node "${node}" now`);
    }
    this.#claims.set(node, { machineId, holder });
    return null;
  }

  /** Does nothing when another one holds the name. */
  release(node: string, holder: ClaimHolder): void {
    if (this.#claims.get(node)?.holder === holder) this.#claims.delete(node);
  }
}

function refusalOf(
  node: string,
  machineId: string,
  claim: { machineId: string; holder: ClaimHolder },
): string | null {
  const { holder } = claim;
  if (machineId === claim.machineId) {
    // The same machine under a new address is a move, unless both addresses answer.
    if (!holder.connected) return null;
    return `node "${node}" is watched at ${holder.address} already; list each agent once`;
  }
  if (!holder.connected && holder.silentForMs > claimHoldMs) return null;
  return (
    `node "${node}" is announced by two machines: ${claim.machineId} at ${holder.address} holds the name, ` +
    `${machineId} is refused; give each node its own node.name`
  );
}
