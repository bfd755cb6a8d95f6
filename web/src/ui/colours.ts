/** A token's colour as it is now, for canvas: `colour("--up")` is "rgb(4, 120, 87)". */
export function colour(token: `--${string}`): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}
