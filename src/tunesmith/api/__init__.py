"""The verbs: each one function that joins the rooms. `tunesmith` exports them."""
