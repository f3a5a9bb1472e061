"""Which app answers a request: the stages at work, between the site behind and the handlers here."""
