const MEGABYTE = 1024 * 1024;
const LARGEST_PACKED = 4 * MEGABYTE;
const LARGEST = 10 * MEGABYTE;

/**
 * A file as the import takes it: gzip, which is small on the way and, unlike text, keeps its bytes whatever its encoding.
 * Raises an Error that says what to do where that cannot be.
 */
export async function packed(file: Blob): Promise<Blob> {
  if (file.size === 0) throw new Error("The file is empty. Choose the CSV file that the exchange gave you.");
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  if (first === 0x50 && second === 0x4b) {
    throw new Error(
      "This is a zip archive or a workbook. Unpack it, or save the sheet as CSV, and choose that.",
    );
  }
  const isPacked = first === 0x1f && second === 0x8b;
  if (!isPacked && file.size > LARGEST) throw new Error(tooLarge("The file is larger than 10 MB."));
  const pack = isPacked ? file : await gzip(file);
  if (pack.size > LARGEST_PACKED) throw new Error(tooLarge("The file is larger than 4 MB, even packed."));
  return pack;
}

function gzip(file: Blob): Promise<Blob> {
  return new Response(file.stream().pipeThrough(new CompressionStream("gzip"))).blob();
}

function tooLarge(fault: string): string {
  return `${fault} Export a shorter time at the exchange, such as a year, and import the files one by one.`;
}
