-- What a view or column means; filled in by codeio_assets/store/views.py.
comment on $kind $name is $comment
