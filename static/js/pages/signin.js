// Sign-in: while a pause lasts, the button waits; when it ends, or another name is typed, it is there again.

const form = document.querySelector("#sign");
const wait = Number(form?.dataset.wait ?? 0);

if (wait > 0) {
  const button = form.querySelector("button");
  const sentence = form.querySelector("#err span");
  button.disabled = true;
  form.querySelector("#id_login").addEventListener("input", () => { button.disabled = false; });
  setTimeout(() => {
    button.disabled = false;
    sentence.textContent = "The pause is over. You can sign in again.";
  }, wait * 1000);
}
