// Status, reason and challenge of a response, also where the library throws it
export async function outcome(response) {
  let answer;
  try {
    answer = await response;
  } catch (error) {
    if (!error.response) throw error;
    answer = error.response;
  }
  const body = await answer.text();
  const reason = answer.status === 200 ? null : JSON.parse(body).reason;
  return [answer.status, reason, answer.headers.get('www-authenticate')];
}
