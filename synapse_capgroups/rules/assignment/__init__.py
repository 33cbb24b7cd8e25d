"""Rule 14: a table of people becomes a plan that says who goes into which group.

* `csv_text`, `table`, `user_ids`: a file's bytes become rows, and what is wrong with it is listed
* `facts`: what is known of the series and its people
* `planning`: facts and rows become a plan; `sizes` is the arithmetic of it
* `plan`: the plan, its JSON and its hash
"""
