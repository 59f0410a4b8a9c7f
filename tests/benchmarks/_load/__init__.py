"""What `pccore bench load` is made of: a browser tab without a browser, what a visitor does, and
what has to come back.

`client` speaks Streamlit's protocol, `plan` says what each visitor asks and what the right answers
are, `visitor` goes through the pages over a websocket, `tab` does the same in Chromium.
"""
