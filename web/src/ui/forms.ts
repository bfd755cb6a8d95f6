/** What a form's field holds, trimmed; passwords are taken as they are typed, by `FormData.get`. */
export function text(form: FormData, name: string): string {
  return raw(form, name).trim();
}

export function raw(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value : "";
}

/** A submit handler that reads the form instead of leaving the page. */
export function submitted(act: (form: FormData, element: HTMLFormElement) => void) {
  return (event: { preventDefault(): void; currentTarget: HTMLFormElement }): void => {
    event.preventDefault();
    act(new FormData(event.currentTarget), event.currentTarget);
  };
}
