-- What full-text search finds a raw file by.
select file_id as id, concat_ws(e'\n', path, repository, content) as text from raw_code_files order by id
