"""Tables: the columns of every row that is stored, and the reasons why an item is none."""
