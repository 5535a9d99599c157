// Says in words why a passkey could not be used; the scripts of django-allauth only log it.
"use strict";

const KINDS = { NotAllowedError: "notAllowed", SecurityError: "security", InvalidStateError: "invalidState" };

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const place = document.getElementById("passkey-failed");
  const error = event.detail.exception;
  place.textContent = place.dataset[KINDS[error && error.name] || "other"];
  place.hidden = false;
});
