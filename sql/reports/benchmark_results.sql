-- What the recipes' models scored on the paper's benchmarks, in percent with 95% intervals, and their gains over the
-- recipe without CodeI/O data on the same questions; the paper's own rows are in results.html beside this report.
select
    base,
    name,
    benchmark,
    value,
    low,
    high,
    gain,
    gain_low,
    gain_high,
    changed,
    p_value,
    unleaked_gain
from results
where not is_published
order by base, name, benchmark
