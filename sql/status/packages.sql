-- The packages that programs could not import, with how many files and functions were lost to each.
select
    packages.key as package,
    cast(sum(cast(packages.value as bigint)) as bigint) as rows
from manifests
inner join stages on manifests.asset = stages.asset
cross join json_each(manifests.info, '$.missing_packages') as packages
group by packages.key
order by rows desc, package
