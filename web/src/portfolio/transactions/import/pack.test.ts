import { describe, expect, it } from "vitest";
import { packed } from "./pack";

async function unpacked(pack: Blob): Promise<Uint8Array> {
  const stream = pack.stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

describe("packed", () => {
  it("keeps the bytes, also those that are no UTF-8", async () => {
    const bytes = new Uint8Array([0xff, 0xfe, 0x74, 0x00, 0xe9]);
    expect(await unpacked(await packed(new Blob([bytes])))).toEqual(bytes);
  });

  it("leaves a gzip file as it is", async () => {
    const once = await packed(new Blob(["time,type\r\n"]));
    expect(await packed(once)).toBe(once);
  });

  it("refuses what cannot be imported, and says what to do", async () => {
    await expect(packed(new Blob([]))).rejects.toThrow("empty");
    await expect(packed(new Blob(["PK\x03\x04"]))).rejects.toThrow("Unpack it");
    await expect(packed(new Blob([new Uint8Array(10 * 1024 * 1024 + 1)]))).rejects.toThrow(
      "larger than 10 MB",
    );
    const noise = crypto.getRandomValues(new Uint8Array(65_536));
    const large = new Blob(
      Array.from({ length: 65 }, (_, turn) => noise.map((byte, at) => byte ^ (turn * at))),
    );
    await expect(packed(large)).rejects.toThrow("larger than 4 MB");
  });
});
