-- The prompt of a task in a recipe's format: the very text that was asked, or a template's pieces filled in.
create or replace temp macro prompt_of(pieces, query, io_description, given, code) as array_to_string(
    list_transform(
        pieces,
        lambda piece : piece.text || case piece.field
            when 'query' then query
            when 'io_description' then io_description
            when 'given' then given
            when 'reference_code' then code
            else ''
        end
    ),
    ''
);
