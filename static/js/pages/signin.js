// Sign-in: while a pause lasts, the button waits; when it ends, the page says so.

const form = document.querySelector("#sign");
const wait = Number(form?.dataset.wait ?? 0);

if (wait > 0) {
  const button = form.querySelector("button");
  const sentence = form.querySelector("#err span");
  button.disabled = true;
  setTimeout(() => {
    button.disabled = false;
    sentence.textContent = "The pause is over. You can sign in again.";
  }, wait * 1000);
}
