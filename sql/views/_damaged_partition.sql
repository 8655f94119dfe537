-- Takes the place of the rows of a partition whose manifest cannot be read: a query that needs them fails and says why,
-- one that asks for other partitions does not see it.
union all by name
select $columns, $part as part
where error($message) is null
