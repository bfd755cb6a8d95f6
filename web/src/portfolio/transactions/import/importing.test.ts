import { describe, expect, it, vi } from "vitest";
import { Problem } from "../../../api/problem";
import { follow, type ImportEvent, type Importing, type ImportJob, next, START } from "./importing";

const chosen = { file: new File(["time,type"], "a.csv"), format: "auto" } as const;
const running: ImportJob = {
  id: "j1",
  status: "running",
  format: "kraken",
  dry_run: true,
  lines: 2000,
  processed: 1000,
  imported: 0,
  skipped_duplicates: 0,
  ignored: 0,
  warnings: [],
  errors: [],
  errors_total: 0,
  created_at: "2026-11-22T12:00:00Z",
  finished_at: null,
};
const checked: ImportJob = {
  ...running,
  status: "done",
  processed: 2000,
  imported: 1990,
  finished_at: "2026-11-22T12:00:09Z",
};

function through(...events: ImportEvent[]): Importing {
  return events.reduce(next, START);
}

describe("an import", () => {
  const review: ImportEvent[] = [
    { type: "chosen", chosen },
    { type: "told", job: running },
    { type: "told", job: checked },
  ];

  it("is checked, looked at, imported and done", () => {
    expect(through(...review.slice(0, 1))).toEqual({ step: "check", chosen, job: null });
    expect(through(...review.slice(0, 2))).toEqual({ step: "check", chosen, job: running });
    expect(through(...review)).toEqual({ step: "review", chosen, check: checked, error: null });
    const importing = through(...review, { type: "confirmed" });
    expect(importing).toEqual({ step: "import", chosen, check: checked, job: null });
    const job = { ...checked, id: "j2", dry_run: false };
    expect(next(importing, { type: "told", job: { ...running, id: "j2" } }).step).toBe("import");
    expect(next(importing, { type: "told", job })).toEqual({ step: "done", job });
  });

  it("goes back to where it can be tried again when it fails", () => {
    const error = new Error("No known header");
    expect(through({ type: "chosen", chosen }, { type: "failed", error })).toEqual({ step: "choose", error });
    expect(through(...review, { type: "confirmed" }, { type: "failed", error })).toEqual({
      step: "review",
      chosen,
      check: checked,
      job: null,
      error,
    });
  });

  it.each([
    { ...checked, imported: 0 },
    { ...checked, status: "failed" as const },
  ])("has nothing to confirm where nothing can be imported", (job) => {
    const state = through({ type: "chosen", chosen }, { type: "told", job }, { type: "confirmed" });
    expect(state.step).toBe("review");
  });

  it("begins anew, and not while something is under way", () => {
    expect(through(...review, { type: "restarted" })).toEqual(START);
    expect(through(...review.slice(0, 1), { type: "restarted" }).step).toBe("check");
    expect(through(...review, { type: "confirmed" }, { type: "restarted" }).step).toBe("import");
  });

  it("is not changed by what comes too late", () => {
    expect(through({ type: "told", job: checked })).toBe(START);
    expect(through({ type: "failed", error: new Error() })).toBe(START);
    expect(through({ type: "confirmed" })).toBe(START);
    expect(through(...review, { type: "chosen", chosen }).step).toBe("review");
  });
});

describe("follow", () => {
  function following(answers: (ImportJob | Error)[]) {
    const told = vi.fn();
    const waits: number[] = [];
    const stop = new AbortController();
    const read = vi.fn(async () => {
      const answer = answers.shift();
      if (!answer) throw new Error("asked too often");
      if (answer instanceof Error) throw answer;
      return answer;
    });
    const wait = async (ms: number) => void waits.push(ms);
    return { told, waits, stop, read, options: { read, told, wait, signal: stop.signal } };
  }

  it("asks nothing about a job that is finished", async () => {
    const { read, told, options } = following([]);
    await follow(checked, options);
    expect(told.mock.calls).toEqual([[checked]]);
    expect(read).not.toHaveBeenCalled();
  });

  it("asks until the job is finished", async () => {
    const { told, options } = following([running, checked]);
    await follow(running, options);
    expect(told.mock.calls).toEqual([[running], [running], [checked]]);
  });

  it("waits out what passes, ever longer", async () => {
    const { told, waits, options } = following([
      Problem.unreachable(),
      new Problem(503, ""),
      running,
      checked,
    ]);
    await follow(running, options);
    expect(waits).toEqual([1000, 2000, 4000, 1000]);
    expect(told).toHaveBeenLastCalledWith(checked);
  });

  it("raises what does not pass", async () => {
    const { options } = following([new Problem(404, "gone")]);
    await expect(follow(running, options)).rejects.toThrow("gone");
  });

  it("stops when nobody looks any more", async () => {
    const { told, stop, read, options } = following([checked]);
    stop.abort();
    await follow(running, options);
    expect(read).not.toHaveBeenCalled();
    expect(told).toHaveBeenCalledOnce();
  });
});
