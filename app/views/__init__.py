"""Pure functions from circuits and answers to what is drawn; no streamlit here."""
