// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Where to find the files behind a model commitment.
/// @notice Content-addressed and without an admin: anyone may say where a root's files are, once
///         per root. Nothing here vouches for a model; the root does, once the files are hashed.
interface IModelRegistry {
    /// @notice Somebody said where the files of `root` are.
    /// @param root Root of the model commitment.
    /// @param publisher Who said so.
    /// @param uri Where.
    event ModelPublished(bytes32 indexed root, address indexed publisher, string uri);

    /// @notice The zero root names nothing.
    /// @dev Commit to the model first.
    error RootZero();
    /// @notice The URI is empty or longer than the limit.
    /// @dev Shorten it; put details behind it.
    error UriLength(uint256 length, uint256 limit);
    /// @notice This publisher has published this root already; a publication never changes.
    /// @dev Publish from another address, or leave it.
    error AlreadyPublished(bytes32 root, address publisher);

    /// @notice Say where the files of `root` are.
    /// @param root Root of the model commitment.
    /// @param uri At most 2048 bytes.
    function publish(bytes32 root, string calldata uri) external;

    /// @notice What `publisher` said about `root`.
    /// @return publishedAt Unix seconds; 0 where it said nothing.
    /// @return uri Where the files are.
    function publicationOf(bytes32 root, address publisher)
        external
        view
        returns (uint64 publishedAt, string memory uri);

    /// @notice How many have published `root`.
    function publisherCount(bytes32 root) external view returns (uint256);

    /// @notice The publisher number `index` of `root`, from 0, in order of publication.
    function publisherAt(bytes32 root, uint256 index) external view returns (address);
}
