// Asking the server, and saying at the top of the page what went wrong.

export const byId = id => document.getElementById(id);

export async function ask(path, body, method) {
  const how = {method: method || (body === undefined ? "GET" : "POST"), headers: {}};
  if (body !== undefined) { how.headers["Content-Type"] = "application/json"; how.body = JSON.stringify(body); }
  return answered(await fetch(path, how));
}

export async function answered(response) {
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => null);
  if (!response.ok) {
    const wait = response.headers.get("Retry-After"), error = answer && answer.error;
    throw new Error(error ? error.message + (wait ? ` (try again in ${wait} s)` : "") : `the server answered ${response.status}`);
  }
  return answer;
}

export function complain(error) {
  byId("wrong").textContent = error ? error.message : "";
  byId("wrong").hidden = !error;
  if (error) byId("wrong").scrollIntoView({block: "nearest"});
}

// Do something; what goes wrong is said at the top of the page.
export function trying(act) {
  return async (...given) => {
    complain(null);
    try { await act(...given); } catch (error) { complain(error); }
  };
}
