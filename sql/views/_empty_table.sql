-- A view with the columns of a table of which nothing is committed; filled in by codeio_assets/store/views.py.
create or replace view $view as
select
    $columns,
    cast(null as varchar) as part
where false
