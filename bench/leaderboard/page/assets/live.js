// In a page that is served: load it again when its server has another version. What is chosen stays in the address.

function live() {
  const own = document.querySelector('meta[name="otoscope-live"]').content;
  const events = new EventSource("/events");
  events.addEventListener("message", (event) => { if (event.data !== own) location.reload(); });
}
