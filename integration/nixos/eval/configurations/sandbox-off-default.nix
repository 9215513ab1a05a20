# The other sandbox: no right to ask for writers, a user namespace instead; a watch in somebody's home; and
# no socket unit, but a listener that watchd binds itself.
{
  services.watchd = {
    enable = true;
    writerDetection = false;
    listen = [ ];
    settings = {
      watch.inbox.path = "/home/alice/inbox";
      endpoint.crm.url = "https://example.net/hook";
      http.listen = "127.0.0.1:9464";
      restart.max_age = "none";
    };
  };
}
