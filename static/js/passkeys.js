// Passkeys: a form with `data-passkey` asks the browser for one and sends its answer.
// "create" makes a passkey and "get" uses one, with the options in the JSON element that
// `data-options` names; "login" fetches its options from the address of the form.
(() => {
  const toBytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
  const toText = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-")
      .replace(/\//g, "_")
      .replace(/=+$/, "");
  const withBytes = (keys) => (keys || []).map((key) => ({ ...key, id: toBytes(key.id) }));

  const readOptions = async (form) => {
    if (form.dataset.passkey !== "login") {
      const data = JSON.parse(document.getElementById(form.dataset.options).textContent);
      return data.creation_options || data.request_options;
    }
    const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return (await answer.json()).request_options;
  };

  const create = (options, form) => {
    const { publicKey } = options;
    const selection = { ...publicKey.authenticatorSelection };
    if (form.elements.passwordless?.checked) {
      Object.assign(selection, { residentKey: "required", requireResidentKey: true, userVerification: "required" });
    }
    return navigator.credentials.create({
      publicKey: {
        ...publicKey,
        challenge: toBytes(publicKey.challenge),
        user: { ...publicKey.user, id: toBytes(publicKey.user.id) },
        excludeCredentials: withBytes(publicKey.excludeCredentials),
        authenticatorSelection: selection,
      },
    });
  };

  const get = ({ publicKey }) =>
    navigator.credentials.get({
      publicKey: {
        ...publicKey,
        challenge: toBytes(publicKey.challenge),
        allowCredentials: withBytes(publicKey.allowCredentials),
      },
    });

  const toJson = (credential) => {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) response[name] = toText(credential.response[name]);
    }
    return JSON.stringify({
      id: credential.id,
      rawId: toText(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment,
      clientExtensionResults: credential.getClientExtensionResults(),
      response,
    });
  };

  const MESSAGES = {
    NotAllowedError: "No passkey was used. Try again.",
    InvalidStateError: "This device already has a passkey of your account.",
    SecurityError: "Passkeys don’t work at this address. Use the host name of this site over HTTPS.",
  };

  const show = (form, error) => {
    const place = form.querySelector("[data-passkey-error]");
    place.textContent = MESSAGES[error.name] || "The passkey could not be used. Try again.";
    place.hidden = false;
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-passkey]");
    if (!form) return;
    event.preventDefault();
    try {
      if (!window.PublicKeyCredential) throw new DOMException("", "SecurityError");
      const options = await readOptions(form);
      const credential = await (form.dataset.passkey === "create" ? create(options, form) : get(options));
      form.elements.credential.value = toJson(credential);
      form.submit();
    } catch (error) {
      show(form, error);
    }
  });
})();
